DESCRIBE papers
