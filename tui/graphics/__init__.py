"""Pictures in a terminal: as block characters, as Sixel, or by the protocol of Kitty."""
