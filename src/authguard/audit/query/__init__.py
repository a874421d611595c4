"""What people ask of a log, and the index that answers: questions, stories, figures, other policies."""
