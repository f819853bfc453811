"""A click log of any size on its way to the pipeline: spread over buckets on disk, checked row by row, split."""
