// As ../../gradients/logreg_loop.borel, row by row and column by column.
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
  for (n in 1:N) {
    real eta = alpha;
    for (d in 1:D) {
      eta += X[n, d] * beta[d];
    }
    y[n] ~ bernoulli_logit(eta);
  }
}
