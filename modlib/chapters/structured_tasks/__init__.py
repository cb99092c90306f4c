"""Chapter ``structured-tasks``: do networks split where their task falls into parts?"""
