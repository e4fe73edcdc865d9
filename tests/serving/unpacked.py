"""Documents whose long arrays were read into numpy, as plain values again."""

from serving.server import json_text
from serving.server.json_numbers import Numbers


def parse_and_unpack(body: bytes):
    """What `parse_packed` gives, as `parse` would; and how many arrays had been taken out."""
    found = []

    def plain(value):
        if isinstance(value, Numbers):
            found.append(value)
            return value.plain()
        if isinstance(value, list):
            return [plain(element) for element in value]
        return {key: plain(member) for key, member in value.items()} if isinstance(value, dict) else value

    return plain(json_text.parse_packed(body)), len(found)
