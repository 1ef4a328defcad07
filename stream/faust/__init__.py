"""The Faust adapter of the `Source` port. Nothing else of the project imports Faust."""
