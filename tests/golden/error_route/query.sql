SELECT id FROM paper
