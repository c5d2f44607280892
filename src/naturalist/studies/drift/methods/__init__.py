"""Pure methods: arrays in, arrays out; nothing is read or written."""
