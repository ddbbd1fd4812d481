"""AuthZEN: the published vectors, the requests and answers as values, and the routes over a real socket."""
