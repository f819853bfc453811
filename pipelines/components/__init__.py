"""TFX components: thin wrappers that hand artifact folders to the stages. Importing one imports TFX."""
