"""A process that lets each of some students ask for each of some courses.

``python -m tests.examples.course_racer URL STUDENTS COURSES``, both lists with commas. It says ``ready``, waits for a
line, and ends with how many were refused by which rule.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import leftfold as lf
from examples.courses import Refused, Subscribe, handle


def main(url: str, students: str, courses: str) -> None:
    wishes = [Subscribe(student, course) for course in courses.split(",") for student in students.split(",")]
    with lf.connect(url, migrate="never") as store:

        def ask(wish: Subscribe) -> str:
            try:
                handle(store, wish)
            except Refused as error:
                return type(error).__name__
            return "fulfilled"

        print("ready", flush=True)
        sys.stdin.readline()
        with ThreadPoolExecutor(8) as threads:
            print(json.dumps(Counter(threads.map(ask, wishes))))


if __name__ == "__main__":
    main(*sys.argv[1:])
