"""What an administrator does once for a cluster: images into its registry, secrets into the platform's namespace."""
