X: 2 e
X: 2 e
