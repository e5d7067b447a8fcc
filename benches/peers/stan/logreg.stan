// As ../../gradients/logreg.borel, in Stan's matrix and vector operations.
data {
  int N;
  int D;
  matrix[N, D] X;
  array[N] int y;
}
parameters {
  real alpha;
  vector[D] beta;
}
model {
  alpha ~ normal(0, 2.5);
  beta ~ std_normal();
  y ~ bernoulli_logit(alpha + X * beta);
}
