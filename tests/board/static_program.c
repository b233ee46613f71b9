/* Does nothing, without the dynamic linker. */
int main(void) {
  return 0;
}
