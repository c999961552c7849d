"""From a tally to the data files of a run, and the readers of these files.

    run_files        error.csv, theory.csv, paths.npz, summary.json
    verdict_files    floors.csv, group_floors.csv, verdict.json
    counterexample   orbit.csv, slopes.csv, outcomes.csv, objective.csv of Toint's function
    network          risk.csv, noise.csv
    minima           where the mean loss is least, in summary.json and verdict.json
    sweep_files      the lines of sweep.csv
    columns          reads a CSV file back; csv_text writes one

Everything that people read later (report) is made from these files, so it can be made again without simulating.
"""
