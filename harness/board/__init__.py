"""A board for a team: verdicts in a database that everybody can publish to and rank from.

The journals stay the truth. A database holds copies, and publishing a run again brings them up to date.
"""
