// As ../../gradients/eight_schools.borel.
data {
  int J;
  vector[J] y;
  vector[J] sigma;
}
parameters {
  real mu;
  real<lower=0> tau;
  vector[J] theta_t;
}
model {
  mu ~ normal(0, 5);
  tau ~ cauchy(0, 5);
  theta_t ~ std_normal();
  y ~ normal(mu + tau * theta_t, sigma);
}
