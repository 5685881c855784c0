"""Other processes and machines that compute, by dask.distributed: how they are reached, begun and checked."""
