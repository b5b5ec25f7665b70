"""What somebody may do about their data, and the policy with its proof."""
