/* Runs an exported model through TensorFlow's C API: no Python in the process.

   predict FOLDER INPUT_OP OUTPUT_OP OUTPUT_INDEX ROWS COLUMNS

   reads ROWS * COLUMNS numbers from standard input, and prints the output's. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

static void require_ok(TF_Status* status) {
  if (TF_GetCode(status) != TF_OK) {
    fprintf(stderr, "%s\n", TF_Message(status));
    exit(1);
  }
}

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const int64_t shape[2] = {atoll(argv[5]), atoll(argv[6])};
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[1] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  require_ok(status);
  TF_Output input = {TF_GraphOperationByName(graph, argv[2]), 0};
  TF_Output output = {TF_GraphOperationByName(graph, argv[3]), atoi(argv[4])};
  if (input.oper == NULL || output.oper == NULL) return 3;

  const size_t count = shape[0] * shape[1];
  TF_Tensor* given =
      TF_AllocateTensor(TF_FLOAT, shape, 2, count * sizeof(float));
  float* numbers = TF_TensorData(given);
  for (size_t k = 0; k < count; k++)
    if (scanf("%f", &numbers[k]) != 1) return 4;

  TF_Tensor* found = NULL;
  TF_SessionRun(session, NULL, &input, &given, 1, &output, &found, 1, NULL, 0, NULL,
                status);
  require_ok(status);
  const float* results = TF_TensorData(found);
  for (size_t k = 0; k < TF_TensorByteSize(found) / sizeof(float); k++)
    printf("%.9g\n", results[k]);

  TF_DeleteTensor(given);
  TF_DeleteTensor(found);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
