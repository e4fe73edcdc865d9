import sys

from serving.server.app import main

sys.exit(main())
