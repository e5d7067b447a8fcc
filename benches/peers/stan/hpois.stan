// As ../../gradients/hpois.borel.
data {
  int N;
  int J;
  int K;
  array[N] int group;
  matrix[N, K] X;
  vector[N] log_exposure;
  array[N] int y;
}
parameters {
  real mu;
  real<lower=0> tau;
  vector[J] z;
  vector[K] beta;
}
model {
  mu ~ normal(0, 2);
  tau ~ std_normal();
  z ~ std_normal();
  beta ~ std_normal();
  y ~ poisson_log(mu + tau * z[group] + X * beta + log_exposure);
}
