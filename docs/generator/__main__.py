"""Write the generated pages anew, and name those that changed."""

from docs.generator import write_pages

if __name__ == "__main__":
    for name in write_pages():
        print(f"docs/{name}")
