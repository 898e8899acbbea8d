"""What answers a request, in every host: handlers, parameters, request, response, errors."""
