from nonconv.cli import main

main()
