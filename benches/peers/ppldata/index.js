// What the WebPPL programs here need from Node: the data files and this process's clock of CPU time.
'use strict';
const fs = require('fs');
const path = require('path');

// The data set `name`; each is a JSON object with the names Stan uses.
exports.get = (name) => JSON.parse(fs.readFileSync(path.join(__dirname, '..', '..', 'data', `${name}.json`), 'utf8'));

// Seconds of CPU time, user and system, this process has used.
exports.cpu = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

// The number of particles that benches/run.py asks for.
exports.particles = () => Number(process.env.PARTICLES || 1000);
