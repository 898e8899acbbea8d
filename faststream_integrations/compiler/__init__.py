"""What handlers and subscribers share: a signature becomes a function.

`signature` reads what a function asks for, `calls` says what that may be and how each part is
written, `plan` writes the calls, `writer` makes a function of the lines.
"""
