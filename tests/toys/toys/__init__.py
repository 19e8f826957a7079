"""Two small tasks as an installed package would bring them: what a task has to give, and no more.

``toy_sequences`` tags the tokens of sequences: several rows an example, as many as it has tokens.
``toy_pairs`` guesses whether a user likes an item from two embeddings: no last layer.
"""
