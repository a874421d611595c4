"""A policy and its findings as people and programs see them: pictures, tables, explanations, reports."""
