"""The application that `counterfoil demo` serves: sessions to play with, and what they do."""
