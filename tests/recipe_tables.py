"""What the benchmarks of recipes share: their tables in the report, and their goals."""

from wristkit.recipes import table


def shown(parts, name, benchmark_row):
    """Return the table of a recipe, after adding each row to the report."""
    made = table.table(parts)
    for row in made.itertuples():
        recall = "no events" if row.events == 0 else f"recall {row.recall:.3f} of {row.events}"
        alarms = f"{row.false_alarms} alarms in {row.hours:.3g} h (at most {row.fp_per_hour_high:.2g} an hour)"
        benchmark_row(f"{name}, {row.kind}: {row.part}", f"{recall}; {alarms}", row.verdict)
    return made


def assert_goals(made):
    """Assert that every row with a goal meets it, naming those that do not."""
    missed = made[made["verdict"].str.startswith("missed")]
    assert missed.empty, missed[["kind", "part", "verdict"]].to_string(index=False)
