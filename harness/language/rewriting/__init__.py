"""What a kernel says in the dialect's words, said in those compiler and golden know."""
