"""Tests of the generated forms, without any model of the package."""
