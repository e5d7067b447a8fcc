// As ../../gradients/radon_syn.borel.
data {
  int N;
  int J;
  array[N] int county;
  vector[N] floor;
  vector[J] u;
  vector[N] y;
}
parameters {
  real mu_a;
  real b_u;
  real mu_b;
  real<lower=0> sa;
  real<lower=0> sb;
  real<lower=0> sy;
  vector[J] za;
  vector[J] zb;
}
model {
  vector[J] a = mu_a + b_u * u + sa * za;
  vector[J] b = mu_b + sb * zb;
  mu_a ~ normal(0, 5);
  b_u ~ normal(0, 2);
  mu_b ~ normal(0, 2);
  sa ~ std_normal();
  sb ~ std_normal();
  sy ~ std_normal();
  za ~ std_normal();
  zb ~ std_normal();
  y ~ normal(a[county] + b[county] .* floor, sy);
}
