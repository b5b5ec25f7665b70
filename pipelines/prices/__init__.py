"""What people do to the price book: enter, fetch, compare, price anew. How a price is found stands in `warehouse`."""
