"""Operations on GitHub itself."""
