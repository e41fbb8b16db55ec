"""The only place that calls out: one call, the fan-out of a step, the deadline, the outcomes."""
