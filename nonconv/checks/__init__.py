"""Questions put to finished folders: claims against results, runs against each other, a folder against its config."""
