"""Who somebody is here: sign-up, sign-in, the account with its members, tokens, connections and questions."""
