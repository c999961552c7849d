"""From snapshots to numbers: errors against each xi, intervals, outcomes, quantiles. Knows nothing of disk or pictures."""
