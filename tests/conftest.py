"""What every test module has: the kit's assertions say what they compare."""

import pytest

pytest.register_assert_rewrite("kit")
