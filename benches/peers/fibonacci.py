"""Naive Fibonacci of 30, as benches/models/fibonacci.borel."""


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


print(fibonacci(30))
