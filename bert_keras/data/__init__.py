"""Raw data in: files become tables of raw values, tables become records of texts and targets. No TensorFlow here."""
