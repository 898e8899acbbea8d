"""One small service, written with each framework in its own idiom.

Each module here has `APPS`: for each case of `benchmarks.handlers` that the framework can do, the
application that answers it. They answer the same and refuse the same requests.
"""
