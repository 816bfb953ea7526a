"""Jobs in the terminal application: following and launching."""
