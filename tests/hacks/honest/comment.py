# honest: change a comment only
# A comment: the same speed.
