from mpmath import *
from fractions import Fraction as F
mp.dps=60
x0=findroot(digamma,1.46)
hi=float(x0); lo=float(x0-mpf(hi))
print("root",repr(hi),repr(lo))
# digamma taylor: psi^(k)(x0)/k!
print("DIG",[repr(float(polygamma(k,x0)/factorial(k))) for k in range(1,25)])
print("ZETA",[repr(float((zeta(k)-1)*(-1)**k/k)) for k in range(2,32)])
# temme
N=60
al=[F(0)]*(N+2)
al[1]=F(1)
# mu = sum al eta^n ; eta^2/2 = mu - ln(1+mu) => mu' * mu/(1+mu) = eta => mu mu' = eta(1+mu)
for n in range(2,N+1):
    # coefficient of eta^n in mu*mu' : sum_{i} al_i (n+1-i) al_{n+1-i} = al_{n-1} (n>=2)
    s=F(0)
    for i in range(2,n):
        s+=al[i]*(n+1-i)*al[n+1-i]
    # i=1: al1*n*al_n ; i=n: al_n*1*al1
    al[n]=(al[n-1]-s)/(n+1)
assert al[2]==F(1,3) and al[3]==F(1,36) and al[4]==F(-1,270)
K=11; 
# gamma* coefficients g_k: Gamma*(z) ~ sum g_k z^-k ; ln = 1/12z - 1/360 z^3...
import math
L=[F(0)]*(K+2)
def bern(n):
    A=[F(0)]*(n+1)
    for m in range(n+1):
        A[m]=F(1,m+1)
        for j in range(m,0,-1): A[j-1]=j*(A[j-1]-A[j])
    return A[0]
for k in range(1,K+1):
    if 2*k-1<=K: L[2*k-1]=bern(2*k)/(2*k*(2*k-1))
g=[F(1)]+[F(0)]*K
for n in range(1,K+1):
    g[n]=sum(k*L[k]*g[n-k] for k in range(1,n+1))/n
assert g[3]==F(-139,51840)
d=[[F(-1,3)]+[ (n+2)*al[n+2] for n in range(1,N-2)]]
for k in range(1,K):
    prev=d[-1]
    d.append([ (-1)**k*g[k]*d[0][n]+(n+2)*prev[n+2] for n in range(len(prev)-2)])
print("d00",d[0][0],d[1][0], float(d[1][0]))
for k in range(K):
    cnt=max(2,26-2*k)
    print("K",k,[repr(float(d[k][n])) for n in range(cnt)])
def check(a,x):
    a=mpf(a);x=mpf(x);mu=(x-a)/a
    eta=sign(mu)*sqrt(2*(mu-log1p(mu)))
    R=exp(-a*eta**2/2)/sqrt(2*pi*a)*sum(sum(mpf(d[k][n].numerator)/d[k][n].denominator*eta**n for n in range(max(2,26-2*k)))*a**-k for k in range(K))
    q=erfc(eta*sqrt(a/2))/2+R
    t=gammainc(a,x,inf,regularized=True)
    p=erfc(-eta*sqrt(a/2))/2-R
    tp=gammainc(a,0,x,regularized=True)
    return nstr(q/t-1,3),nstr(p/tp-1,3)
mp.dps=40
for a in (20,30,50,100,1000):
    print(a,[check(a,a*r) for r in (0.6,0.7,0.85,1,1.2,1.4)])
nodes=[]
import numpy as np
X,W=np.polynomial.legendre.leggauss(20)
mp.dps=30
for x in X:
    if x>0:
        r=findroot(lambda t: legendre(20,t),mpf(float(x)))
        dp=diff(lambda t: legendre(20,t),r)
        nodes.append((repr(float(r)),repr(float(2/((1-r*r)*dp*dp)))))
print("GL",nodes)
