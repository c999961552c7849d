"""Read a YAML file into a validated spec that knows the place of every value.

The steps, each in its module: `document` turns text into data with places; `plugins` executes the files that the data
name, which gives a `catalogue` of components; `spec` makes a pydantic model of a config from that catalogue; `validate`
applies it and translates pydantic's errors into problems with places.
"""
