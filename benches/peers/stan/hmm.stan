// As ../../gradients/hmm.borel, with Stan's function for the marginal density.
data {
  int T;
  int K;
  vector[T] y;
  real sigma;
  vector[K] pi;
}
parameters {
  ordered[K] mu;
  array[K] simplex[K] A;
}
model {
  matrix[K, T] emission;
  matrix[K, K] transition;
  mu ~ normal(0, 3);
  for (k in 1:K) {
    transition[k] = A[k]';
  }
  for (t in 1:T) {
    for (k in 1:K) {
      emission[k, t] = normal_lpdf(y[t] | mu[k], sigma);
    }
  }
  target += hmm_marginal(emission, transition, pi);
}
