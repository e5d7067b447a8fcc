// Microseconds of CPU time per gradient of a Stan model: PROGRAM DATA.json SECONDS, the least mean of many batches.
#include <stan/model/model_base.hpp>
#include <stan/io/json/json_data.hpp>
#include <stan/model/gradient.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <time.h>

stan::model::model_base& new_model(stan::io::var_context& data, unsigned int seed, std::ostream* messages);

static double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(int count, char** words) {
  if (count < 3) {
    return 2;
  }
  std::ifstream file(words[1]);
  stan::json::json_data data(file);
  stan::model::model_base& model = new_model(data, 1, &std::cerr);
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(-0.5, 0.5);
  Eigen::VectorXd position(model.num_params_r()), gradient(model.num_params_r());
  for (double& x : position) {
    x = uniform(generator);
  }
  const double limit = std::atof(words[2]), started = cpu_seconds();
  double density = 0, best = 1e9;
  for (int batch = 1; cpu_seconds() - started < limit;) {
    const double before = cpu_seconds();
    for (int k = 0; k < batch; k++) {
      stan::model::gradient(model, position, density, gradient, &std::cerr);
    }
    const double each = (cpu_seconds() - before) / batch;
    if (each * batch < 2e-3) {
      batch *= 2;
    } else {
      best = std::min(best, each);
    }
  }
  std::printf("%.17g %.17g\n", 1e6 * best, gradient.norm());
}
