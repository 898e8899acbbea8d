"""The life of a broker: started, watched, drained, stopped; what is special about each kind."""
