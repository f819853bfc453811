"""What the documentation site is built with: reference pages made from the code, and links that hold in the site."""
